"""Floor 3: people. The command line and the Streamlit dashboard."""
