"""Amazon Web Services: network, EKS, identities and what else stands in for our own parts there."""
