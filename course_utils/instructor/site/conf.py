"""Sphinx's settings. ``build`` copies this file into the folder of the pages, beside ``static``."""

project = "Image classification"
language = "en"
highlight_language = "none"  # of blocks without a language: commands and printed lines
extensions = ["myst_nb", "sphinx.ext.githubpages"]

# The notebooks show their stored outputs: nothing is run.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "dollarmath"]
myst_heading_anchors = 3

html_theme = "sphinx_book_theme"
html_title = "Image classification"
html_context = {"default_mode": "auto"}  # as the system has it; the button changes it
html_theme_options = {
    "footer_content_items": [],
    "navbar_persistent": [],  # the side bar has the search field
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
}
html_static_path = ["static"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_favicon = "static/favicon.svg"
html_copy_source = False  # a page's source is its notebook
html_use_index = False
html_permalinks_icon = "#"

# MathJax draws formulas as SVG: browsers refuse font files to pages opened from a folder.
mathjax_path = "mathjax/tex-svg.js"
