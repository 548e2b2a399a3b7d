"""Settings of the docs site: `sphinx-build -W -b html assets/docs OUT`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generate_reference import write_pages

from listing_vibes import __version__

project, release = "Listing Vibes", __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "reference/generated/rules.md"]
html_theme, html_title = "furo", "Listing Vibes"
html_search_scorer = str(Path(__file__).with_name("search_scores.js"))
myst_heading_anchors = 3
nb_execution_mode = "off"
napoleon_google_docstring, napoleon_numpy_docstring = True, False
autodoc_typehints = "signature"
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]

write_pages()
