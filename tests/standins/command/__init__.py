"""Stand-in for Pulumi's command provider (1.2), which only official releases carry."""
