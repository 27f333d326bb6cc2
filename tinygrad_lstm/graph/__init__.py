"""THE GRAPH: types, nodes, cells, the op registry, scopes, walks, the printed form, the verifier."""
