"""People look at what is doubtful, and decide.

queue.py     the records of a run, the least sure first, and what was decided about each
points.py    a mask from a few clicks
reviewed.py  the data set after all decisions
app.py       the page and what it asks for; page.html and page.js are the page
"""
