"""The services. They never import one another: each is given its peers as the contracts' protocols."""
