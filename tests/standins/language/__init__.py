"""Stand-in for Pulumi's Python language host, which only official releases carry."""
