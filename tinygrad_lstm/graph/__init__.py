"""THE GRAPH: types, nodes, variables, the op registry, scopes, walks, the printed form, the verifier."""
