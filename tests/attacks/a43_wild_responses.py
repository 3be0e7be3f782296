# attack: 43 answers with what is no proper HTTP, or no proper JSON, in many ways
# honest: 0
# outcome: fail
# check: starts-full
import gzip
import json
from urllib.parse import unquote

OK = b"HTTP/1.1 200 OK\r\n"
MOVED = b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n"
BODY = OK + b"content-type: application/json\r\n\r\n"
RESPONSES = {
    "garbage": bytes(range(256)) * 1000,
    "many headers": OK + b"a:b\r\n" * 100_000 + b"\r\n",
    "a header of a mebibyte": OK + b"x: " + b"x" * (1 << 20) + b"\r\n\r\n",
    "status 999": b"HTTP/1.1 999 Fine\r\ncontent-length: 0\r\n\r\n",
    "status 000": b"HTTP/1.1 000 \r\n\r\n",
    "a status of letters": b"HTTP/1.1 2OO OK\r\n\r\n",
    "a version of the future": b"HTTP/9.9 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    "a body without a head": b"<html>",
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n" + bytes(10_000),
    "early hints": b"HTTP/1.1 103 Early Hints\r\nlink: <x>\r\n\r\n" * 10_000,
    "a length of many digits": OK + b"content-length: " + b"9" * 5000 + b"\r\n\r\n{}",
    "a negative length": OK + b"content-length: -1\r\n\r\n{}",
    "two lengths": OK + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}}",
    "a wrong length": OK + b"content-length: 9\r\n\r\n{}",
    "a chunk of many digits": OK + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 5000 + b"\r\n",
    "encodings": OK + b"transfer-encoding: gzip, chunked\r\ncontent-encoding: br, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "a gzip bomb": OK + b"content-encoding: gzip\r\n\r\n" + gzip.compress(bytes(1 << 26)),
    "a location too long": MOVED + b"location: " + b"a" * 65_530 + b"\r\n\r\n",
    "a location of nonsense": MOVED + b"location: http://[::1:99999999/\xff\xfe\r\n\r\n",
    "cookies": MOVED + b"set-cookie: a=b; expires=" + b" " * 60_000 + b"x\r\n\r\n",
    "control characters": b"HTTP/1.1 200 \x1b[31m\r\ncontent-length: 2\r\nx: \x00\x1b\r\n\r\n{}",
    "more than one answer": b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}" * 5,
    "two mebibytes": OK + b"\r\n" + bytes(2 << 20),
    "JSON too deep to read": BODY + b'{"id":' * 100_000 + b"1" + b"}" * 100_000,
    "an integer of a million digits": BODY + b'{"id":' + b"9" * 1_000_000 + b"}",
    "integers of 4300 digits": BODY + b'{"id":' + b"9" * 4300 + b',"name":-' + b"9" * 4299 + b"}",
    "numbers that are none": BODY + b'{"id":NaN,"name":-Infinity,"price_cents":1e999}',
    "UTF-16 and lone surrogates": BODY + '{"id":"\\ud800"}'.encode("utf-16"),
    "lone surrogates": BODY + b'{"id":"\\ud800\\u001b[31m"}',
    "the same key a hundred thousand times": BODY + b"{" + b'"id":1,' * 100_000 + b'"id":2}',
    "bytes that are no text": BODY + b'{"id":"\xff\xfe"}',
    **{f"JSON {depth} levels deep": BODY + b"[" * depth + b"]" * depth for depth in range(860, 1000, 2)},
}
RESPONSES["what they are"] = BODY + json.dumps([*RESPONSES]).encode()


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    transport = send.__self__.transport  # uvicorn's
    transport.write(RESPONSES.get(unquote(scope["path"])[1:], b""))
    transport.close()
