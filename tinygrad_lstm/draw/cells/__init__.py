"""The picture of a recurrent cell, from its own graph."""
