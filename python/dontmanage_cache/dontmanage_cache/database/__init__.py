"""The site's database: how it is reached, its transactions, and what is asked of it.

    address.py      which database a site's configuration means
    engines.py      a pool of connections for each database, also after a fork
    connection.py   a request's own connection: transactions, savepoints, callbacks
    callbacks.py    what is to be done at a transaction's end
    failures.py     what a driver's error means
    raw.py          SQL as it is written, with its values bound
    conditions.py   filters, fields and orders of a query
    database.py     `dontmanage.db`

SQLAlchemy is imported where a connection is made, and no earlier.
"""
