"""The parts of the contract suite, an idea each; `connector_contract` puts them together."""
