"""Starts the command. Processes that it starts load any other main module again, and all that it imports.

(https://docs.python.org/3/library/multiprocessing.html, "Safe importing of main module")
"""

from ablation.garbage import no_collection

with no_collection():
    from ablation.run import app
    from ablation.terminal import start

start(app)
