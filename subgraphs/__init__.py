"""MussikOn: the services that book musicians for events, each a GraphQL subgraph on its own store."""
