# /// program
# about = "An SQLite database in memory and in a file: schema, queries, transactions, functions."
# value = "(55,)"
# stdout = '''
# Le Guin 2 1971
# Lem 1 1961
# rolled back: UNIQUE constraint failed: author.name
# ['S', 'TLoH', 'TD']
# near "SELEC": syntax error
# '''
# wrote_also = ["books.db"]
# ///
import sqlite3

connection = sqlite3.connect("books.db")
connection.row_factory = sqlite3.Row
connection.executescript("""
    CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE book (title TEXT, year INT, author INT REFERENCES author(id));
""")
with connection:
    connection.executemany("INSERT INTO author(name) VALUES (?)", [("Lem",), ("Le Guin",)])
    connection.executemany(
        "INSERT INTO book VALUES (:title, :year, :author)",
        [
            {"title": "Solaris", "year": 1961, "author": 1},
            {"title": "The Dispossessed", "year": 1974, "author": 2},
            {"title": "The Lathe of Heaven", "year": 1971, "author": 2},
        ],
    )
rows = connection.execute("""
    SELECT name, count(*) AS books, min(year) AS first
    FROM book JOIN author ON author.id = book.author GROUP BY name ORDER BY books DESC
""")
for row in rows:
    print(row["name"], row["books"], row["first"])
try:
    with connection:
        connection.execute("DELETE FROM book")
        connection.execute("INSERT INTO author(name) VALUES ('Lem')")
except sqlite3.IntegrityError as error:
    print("rolled back:", error)
connection.create_function("initials", 1, lambda text: "".join(w[0] for w in text.split()))
print([r[0] for r in connection.execute("SELECT initials(title) FROM book ORDER BY year")])
try:
    connection.execute("SELEC 1")
except sqlite3.OperationalError as error:
    print(error)
connection.close()
memory = sqlite3.connect(":memory:")
memory.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT sum(i) FROM n").fetchone()
