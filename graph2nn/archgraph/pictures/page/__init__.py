"""One HTML file in which a network can be looked through: the page's parts and what fills it."""
