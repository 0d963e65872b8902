"""The only room of the package that knows Streamlit: thin wrappers, no work of their own."""

import os

# Read once, when torch and scikit-learn load: waiting threads sleep instead of spinning. Beside one busy neighbour (a
# training run, say) that is threefold faster. Here, because every page passes here before it loads either of them.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
