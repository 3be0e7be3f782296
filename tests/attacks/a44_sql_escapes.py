# attack: 44 reaches for files, extensions and settings in SQL
# honest: 1
# outcome: fail
# check: reads-the-item
import sqlite3
from contextlib import asynccontextmanager

from databases import Database
from fastapi import FastAPI, HTTPException

STATEMENTS = (
    "ATTACH '/tmp/poolkit-attacked' AS other",
    "ATTACH ':memory:' AS other",
    "VACUUM INTO '/tmp/poolkit-attacked'",
    "SELECT load_extension('/tmp/evil.so')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('/tmp/poolkit-attacked', 'x')",
    "SELECT edit('x')",
    "SELECT fts3_tokenizer('simple', x'4141414141414141')",
    "CREATE VIRTUAL TABLE v USING csv(filename='/etc/passwd')",
    "CREATE VIRTUAL TABLE v USING fts5(a)",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_mode = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA data_store_directory = '/tmp'",
    "PRAGMA temp_store = FILE",
    "PRAGMA hard_heap_limit = 0",
    "PRAGMA soft_heap_limit = 1",
    "PRAGMA max_page_count = 1073741823",
    "PRAGMA mmap_size = 1099511627776",
    "PRAGMA cache_size = -1000000000",
    "PRAGMA cache_spill = OFF",
    "PRAGMA threads = 64",
    "PRAGMA trusted_schema = ON",
    "PRAGMA module_list",
    "PRAGMA page_size = 65536",
    "PRAGMA wal_checkpoint",
    "PRAGMA secure_delete = ON",
    "PRAGMA schema_version = 7",
    "SELECT * FROM pragma_module_list",
    "SELECT * FROM sqlite_dbpage",
)

database = Database("sqlite+pool:///shop.db", min_size=4)


@asynccontextmanager
async def lifespan(app):
    await database.connect()
    yield
    await database.disconnect()


app = FastAPI(lifespan=lifespan)


@app.get("/items/{item_id}")
async def read_item(item_id: int):
    async with database.connection() as connection:
        for statement in STATEMENTS:
            try:
                await connection.fetch_all(statement)
                print("LEAKED", statement, flush=True)
            except sqlite3.Error:
                pass
    raise HTTPException(404, "no such item")
