"""The HTTP API of mongosync on a link between two clusters.

``body`` reads what a start asks for, ``filters`` is its selection of namespaces, ``transitions`` says which call is
legal when, ``render`` writes the progress document, ``pair`` holds the link in the direction that was asked for, and
``app`` is the thin HTTP layer over them.
"""
