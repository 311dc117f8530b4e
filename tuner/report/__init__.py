"""The report on a search: one HTML page, and the same numbers as JSON.

make.py         study folder -> report; the order of the sections
sections/       one file per section; each returns a Section
elements.py     Section, Table, Figure, and values as text
page.py, svg.py sections -> HTML, figures -> SVG
"""
