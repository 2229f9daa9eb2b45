"""The database port: `store.py` says how transactions run, the others hold one repository per noun."""
