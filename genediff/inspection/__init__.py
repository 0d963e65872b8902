"""Look inside a trained model: its tokens, its pathways, and the routes through its network."""
