"""The only room of the package that knows Streamlit: thin wrappers, no work of their own."""
