"""The contract over plugins as checks that yield sentences: for `bakeoff check`, and for the tests of our own."""
