"""Methods of the arena `hidden_knowledge`."""
