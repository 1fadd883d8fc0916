"""A plugin from outside, which the tests build, install and use: an arena of its own and a method for one of ours."""
