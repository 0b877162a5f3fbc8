"""Requests beside the scenario: everything that can be wrong with one, and what Netty and fastjson let pass.

None of them changes anything on a base, so that they can be sent in any order.
"""

from __future__ import annotations

from typing import Final

FIELDS: Final = b'{"bizName":"a","bizVersion":"1"}'
MEBIBYTE: Final = 1024 * 1024
_LENGTH: Final = b"Content-Length: %d" % len(FIELDS)
_CHUNKED: Final = b"Transfer-Encoding: chunked"
_CHUNKS: Final = b"%x\r\n%s\r\n0\r\n\r\n" % (len(FIELDS), FIELDS)


def post(command: str, body: bytes = b"{}", *headers: bytes) -> bytes:
    """A request as a client would send it."""
    return request(f"POST /{command} HTTP/1.1".encode(), *headers, b"Content-Length: %d" % len(body), body=body)


def request(line: bytes, *headers: bytes, body: bytes = FIELDS) -> bytes:
    """A request of these lines."""
    return b"".join(part + b"\r\n" for part in (line, *headers, b"")) + body


def uninstall(*headers: bytes, body: bytes = FIELDS) -> bytes:
    """An uninstall of what isn't there: its answer tells what was read of the body."""
    return request(b"POST /uninstallBiz HTTP/1.1", *headers, body=body)


_LINES: Final = {
    b"GET /help HTTP/1.1",
    b"PUT /help HTTP/1.1",
    b"HEAD /help HTTP/1.1",
    b"OPTIONS /help HTTP/1.1",
    b"FOO /help HTTP/1.1",
    b"post /uninstallBiz HTTP/1.1",
    b"Post /uninstallBiz HTTP/1.1",
    b"GET /help HTTP/1.0",
    b"GET /help",
    b"POST",
    b"hello",
    b"POST /uninstallBiz HTTP/1.0",
    b"POST /uninstallBiz HTTP/1.2",
    b"POST /uninstallBiz HTTP/2.0",
    b"PRI * HTTP/2.0",
    b"POST /uninstallBiz XXXX/1.1",
    b"POST /uninstallBiz XX",
    b"POST /uninstallBiz",
    b"POST /uninstallBiz HTTP/1.1 x",
    b"POST /uninstallBiz HTTP/1.x",
    b"POST /uninstallBiz http/1.1",
    b"POST  /uninstallBiz  HTTP/1.1",
    b"POST\t/uninstallBiz\tHTTP/1.1",
    b"  POST /uninstallBiz HTTP/1.1",
    b"\x01\x02POST /uninstallBiz HTTP/1.1",
    b"\r\n\r\nPOST /uninstallBiz HTTP/1.1",
    b"POST /uninstall Biz HTTP/1.1",
    b"POST /uninstallBiz?x=1 HTTP/1.1",
    b"POST /uninstallBiz#x HTTP/1.1",
    b"POST /uninstall%42iz HTTP/1.1",
    b"POST /uninstallBiz%zz HTTP/1.1",
    b"POST /uninstallBiz;a=1 HTTP/1.1",
    b"POST /uninstallBiz/ HTTP/1.1",
    b"POST //uninstallBiz HTTP/1.1",
    b"POST /UNINSTALLBIZ HTTP/1.1",
    b"POST / HTTP/1.1",
    b"POST uninstallBiz HTTP/1.1",
    b"POST http://x/uninstallBiz HTTP/1.1",
    "POST /ä HTTP/1.1".encode(),
    b"POST\x0b/uninstallBiz\x0bHTTP/1.1",
    b"POST /uninstallBiz HTTP/1." + b"1" * 3000,
}
_HEADERS: Final[dict[str, tuple[bytes, ...]]] = {
    "no length": (),
    "negative length": (b"Content-Length: -1",),
    "no number": (b"Content-Length: x",),
    "plus": (b"Content-Length: +33",),
    "blank length": (b"Content-Length:",),
    "zeros": (b"Content-Length: 0033",),
    "two lengths": (_LENGTH, b"Content-Length: 3"),
    "the same length twice": (_LENGTH, _LENGTH),
    "lengths in one line": (_LENGTH + b", 33",),
    "huge length": (b"Content-Length: 99999999999999999999",),
    "folded length": (b"Content-Length:", b" 33"),
    "length after a tab": (b"Content-Length:\t33",),
    "blank before the colon": (b"Content-Length : 33",),
    "no colon": (b"foo", _LENGTH),
    "no name": (b": x", _LENGTH),
    "control character in a name": (b"a\x01b: x", _LENGTH),
    "control character in a value": (b"ab: x\x01", _LENGTH),
    "no ASCII": ("ä: ö".encode(), _LENGTH),
    "folded first line": (b" x", _LENGTH),
    "folded": (b"A: b", b" c", _LENGTH),
    "8150 bytes": (b"X: " + b"a" * 8150, _LENGTH),
    "over 8192 bytes": (b"X: " + b"a" * 8190, _LENGTH),
    "over 8192 bytes in all": (_LENGTH, *(b"X: " + b"a" * 1000 for _ in range(9))),
    "300 headers": (_LENGTH, *(b"X%d: a" % number for number in range(300))),
    "keep-alive": (_LENGTH, b"Connection: keep-alive"),
    "close": (_LENGTH, b"Connection: close"),
    "encoded": (_LENGTH, b"Content-Encoding: gzip"),
    "gzip instead of chunks": (b"Transfer-Encoding: gzip", _LENGTH),
    "continue": (_LENGTH, b"Expect: 100-continue"),
    "Continue": (_LENGTH, b"Expect: 100-Continue"),
    "another expectation": (_LENGTH, b"Expect: foo"),
    "expectations in two lines": (_LENGTH, b"Expect: 100-continue", b"Expect: foo"),
    "expectations in one line": (_LENGTH, b"Expect: 100-continue, foo"),
    "an empty expectation": (_LENGTH, b"Expect:"),
    "a length of 5000 digits": (b"Content-Length: " + b"9" * 5000,),
    "upgrade": (_LENGTH, b"Connection: Upgrade", b"Upgrade: h2c"),
}
_CHUNK_BODIES: Final = {
    "chunks": _CHUNKS,
    "an extension and a trailer": b"%x;a=b\r\n%s\r\n0\r\nA: b\r\n\r\n" % (len(FIELDS), FIELDS),
    "two chunks": b"5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (FIELDS[:5], len(FIELDS) - 5, FIELDS[5:]),
    "line feeds alone": b"%x\n%s\n0\n\n" % (len(FIELDS), FIELDS),
    "no size": b"zz\r\n" + FIELDS,
    "empty size": b"\r\n" + _CHUNKS,
    "no second size": b"%x\r\n%s\r\nzz\r\n" % (len(FIELDS), FIELDS),
    "blanks": b" %x \r\n%s\r\n 0 \r\n\r\n" % (len(FIELDS), FIELDS),
    "a word after the size": b"%x x\r\n%s\r\n0\r\n\r\n" % (len(FIELDS), FIELDS),
    "a control character after the size": b"%x\x01\r\n%s\r\n0\r\n\r\n" % (len(FIELDS), FIELDS),
    "zeros before the size": b"000%x\r\n%s\r\n0\r\n\r\n" % (len(FIELDS), FIELDS),
    "a long line": b"%x;%s\r\n%s\r\n0\r\n\r\n" % (len(FIELDS), b"a" * 5000, FIELDS),
    "a size over 31 bits": b"80000000\r\n" + FIELDS,
    "a mebibyte of blanks": (b"10000\r\n" + b" " * 65536 + b"\r\n") * 16 + b"0\r\n\r\n",
    "no line end after a chunk": b"%x\r\n%s0\r\n\r\n" % (len(FIELDS), FIELDS),
}
_VALUES: Final = (
    *b"1L 1l 1LL 1.5L 300B 70000S 1.5F 1e5F 1D 5. 5.x .5 + - -0.00 1e99999 1e-99999".split(),
    *b'Null NULL nullx Set[1] "\\F" "\\8"'.split(),
    b"9" * 5000,
)
_JSON: Final = {
    b"",
    b"null",
    b"[]",
    b"12",
    b'"x"',
    b"true",
    b"{",
    b'{"bizName":',
    b"{}",
    b"\xef\xbb\xbf" + FIELDS,
    b" " + FIELDS + b" \n ",
    FIELDS + b" x",
    FIELDS + b"}",
    FIELDS + b"\x00",
    FIELDS + b"{}",
    b"/*x*/" + FIELDS,
    b"//x\n" + FIELDS,
    b"#x\n" + FIELDS,
    b"{'bizName':'a','bizVersion':'1'}",
    b'{bizName:"a",bizVersion:"1"}',
    b'{"bizName":a,"bizVersion":"1"}',
    b'{"bizName":"a","bizVersion":"1",}',
    b'{"bizName":"a",,"bizVersion":"1"}',
    b'{,"bizName":"a","bizVersion":"1"}',
    b'{"bizName":"a" "bizVersion":"1"}',
    b'{"bizName":"a","bizVersion":"1"',
    b'{"bizName":"a","bizVersion":"1}',
    b'{"bizName":/*x*/"a"//y\n,"bizVersion":"1"}',
    b'{"bizName":"\\x41\\u0042","bizVersion":"1"}',
    b'{"bizName":"\\q","bizVersion":"1"}',
    b'{"bizName":"a"}',
    b'{"bizName":" ","bizVersion":"1"}',
    b'{"bizName":null,"bizVersion":"1"}',
    b'{"bizName":" a ","bizVersion":"1 "}',
    b'{"bizName":NaN,"bizVersion":"1"}',
    b'{"bizName":"a","bizVersion":undefined}',
    b'{"bizName":{"$ref":"$"},"bizVersion":"1"}',
    b'{"@type":"java.lang.String","bizName":"a","bizVersion":"1"}',
    b'{"bizName":12,"bizVersion":007}',
    b'{"bizName":-0,"bizVersion":+1}',
    b'{"bizName":1.50,"bizVersion":1E5}',
    b'{"bizName":1.0e-7,"bizVersion":0.00000001}',
    b'{"bizName":true,"bizVersion":False}',
    b'{"bizName":123456789012345678901234567890,"bizVersion":100000000.5}',
    b'{"bizName":[1,"x"],"bizVersion":{"b":1,"a":[1.5,null]}}',
    b'{"bizName":"\\ud834\\udd1e","bizVersion":"\\ud834"}',
    b'{"bizName":"\xff","bizVersion":"1"}',
    b'{"bizName":"a\x01\n","bizVersion":"1"}',
    b'{"bizName":"\\u007f\\u0080\\u2028","bizVersion":"\\u00a0\\ufeff/<>&"}',
    b'{"bizName":"a","bizName":"b","bizVersion":"1"}',
    b'{"bizName":"a","biz_name":"b","bizVersion":"1"}',
    b'{"BizName":"x","biz_name":"y","bizVersion":"1"}',
    b'{null:2,"bizName":"a","bizVersion":"1"}',
    b'{"bizName":null,"biz_name":"y","bizVersion":"1"}',
    b'{"BIZNAME":"a","Biz-Version":"1"}',
    b'{" bizName":"a","bizVersion":"1"}',
    b"  \n\t ",
    b"/* x */",
    FIELDS + b"/* x",
    FIELDS + b"\x1a",
    FIELDS + b"\x1ax",
    FIELDS + b"\xef\xbb\xbf",
    b"\x01" + FIELDS,
    b"\xc2\xa0" + FIELDS,
    *(b"{%s%s" % (blank, FIELDS[1:]) for blank in (b"\x08", b"\x0b", b"\x0c", b"\xc2\xa0", b"\xef\xbb\xbf")),
    b'{"x":[1 2],"bizName":"a","bizVersion":"1"}',
    b'{"x":TreeSet[1],"bizName":"a","bizVersion":"1"}',
    b'{"bizName":"a","bizVersion":"1","isAsync":true}',
    b'{"bizName":"a","bizVersion":"1","is_async":true}',
    b'{"bizName":"a","bizVersion":"1","isAsync":true,"async":false}',
    *(b'{"bizName":%s,"bizVersion":"1"}' % value for value in _VALUES),
}
_ASYNC: Final = (
    "true",
    "false",
    "null",
    "0",
    "1",
    "2",
    "-1",
    "1.0",
    "1.5",
    '"true"',
    '"TRUE"',
    '"True"',
    '"T"',
    '"t"',
    '"Y"',
    '"y"',
    '"1"',
    '"yes"',
    '"false"',
    '"False"',
    '"F"',
    '"f"',
    '"N"',
    '"n"',
    '"0"',
    '"no"',
    '"2"',
    '""',
    '"null"',
    '"NULL"',
    '" true"',
    "[1]",
    "[]",
    "{}",
    "0.9",
    "1.9",
    "1L",
    "1e2",
    "1e400",
    "1e99999",
    "4294967297",
    "-2147483649",
    "9" * 5000,
)
_HEALTH: Final = (
    b"",
    b'{"type":"system"}',
    b'{"type":"biz"}',
    b'{"type":"zzz"}',
    b'{"type":"SYSTEM"}',
    b'{"type":12}',
    b'{"type":null}',
    b'{"type":"system","metrics":["cpu"]}',
    b'{"type":"system","metrics":[]}',
    b'{"type":"system","metrics":["zzz"]}',
    b'{"type":"system","metrics":"cpu"}',
    b'{"metrics":["cpu"]}',
    b'{"type":"biz","bizName":"base"}',
    b'{"type":"biz","bizVersion":"1.0.0"}',
    b'{"type":"biz","bizName":"base","bizVersion":"1.0.0"}',
    b'{"type":"biz","bizName":"base","bizVersion":"9"}',
    b'{"bizName":"base"}',
    b'{"type":"biz","bizName":"nope"}',
    b'{"type":"biz","moduleName":"nope"}',
    b'{"type":"plugin","bizName":"x"}',
    b'{"type":"zzz","metrics":5}',
    b'{"type":"biz","metrics":5}',
    b'{"type":"system","metrics":""}',
    b'{"type":"system","metrics":["cpu","cpu"]}',
    b'{"bizName":"nope"}',
    b'{"type":" biz "}',
    b'{"type":[]}',
)
_INSTALLS: Final = (
    b'{"bizUrl":5}',
    b'{"bizUrl":["/x.jar"]}',
    b'{"bizUrl":{}}',
    b'{"bizUrl":"/x.jar","installStrategy":[]}',
    b'{"bizUrl":"/x.jar","envs":{"a":{"b":1},"c":[1]}}',
    b'{"bizUrl":"/x.jar","envs":5}',
    b'{"bizName":" ","bizVersion":" ","bizUrl":"/x.jar"}',
    b'{"bizName":" ","bizVersion":"1","bizUrl":"/x.jar"}',
)
_URLS: Final = (
    "http://[x/x.jar",
    "http://127.0.0.1:abc/x.jar",
    "http://127.0.0.1:0/x.jar",
    "://x",
    "/x.jar",
    "s3://x/y",
    "http://127.0.0.1:1/x.jar",
    "HTTP://127.0.0.1:1/x.jar",
    "http://127.0.0.1:99999/x",
    "ht tp://x",
    "",
    "   ",
)


def requests() -> dict[str, bytes]:
    """All of them by name."""
    out = {f"line {line.decode()!r}": request(line, _LENGTH) for line in sorted(_LINES)}
    for size in (4096, 4097):
        out[f"a line of {size} bytes"] = request(b"POST /" + b"a" * (size - 15) + b" HTTP/1.1", _LENGTH)
    out |= {f"headers: {name}": uninstall(*headers) for name, headers in _HEADERS.items()}
    out["headers: continue to 1.0"] = request(b"POST /uninstallBiz HTTP/1.0", _LENGTH, b"Expect: 100-continue")
    out |= {f"chunks: {name}": uninstall(_CHUNKED, body=body) for name, body in _CHUNK_BODIES.items()}
    for coding in (b"CHUNKED", b"gzip, chunked", b"chunked, gzip"):
        out[f"chunks: {coding.decode()}"] = uninstall(b"Transfer-Encoding: " + coding, body=_CHUNKS)
    out["chunks: with a length"] = uninstall(_CHUNKED, b"Content-Length: 2", body=_CHUNKS)
    out |= {f"json {body!r}": post("uninstallBiz", body) for body in sorted(_JSON)}
    for word in _ASYNC:
        out[f"async {word}"] = post("uninstallBiz", b'{"bizName":"a","bizVersion":"1","async":%s}' % word.encode())
    out |= {f"health {body.decode()}": post("health", body) for body in _HEALTH}
    out |= {f"install {body.decode()}": post("installBiz", body) for body in _INSTALLS}
    for url in _URLS:
        out[f"url {url!r}"] = post("installBiz", b'{"bizName":"u","bizVersion":"1","bizUrl":"%s"}' % url.encode())
    for command in ("help", "queryAllBiz", "installBiz", "switchBiz", "queryBizOps", "nope"):
        out |= {f"{command} {body.decode()!r}": post(command, body) for body in (b"", b"{}", b"[")}
    out["switch of the base"] = post("switchBiz", b'{"bizName":"base","bizVersion":"1.0.0"}')
    out["envs of the wrong type"] = post("installBiz", b'{"bizUrl":"/x.jar","envs":"x"}')
    query = post("queryAllBiz")
    out["two requests"] = post("help") + query
    out["a bad one, then a good one"] = post("help", b"x") + query
    whole = b'{"x":"%s"}' % (b"a" * (MEBIBYTE - 8))
    out["a mebibyte"] = post("nope", whole)
    out["more than a mebibyte, then a good one"] = post("nope", b" " + whole) + query
    out["more than a mebibyte, then the end"] = post("nope", b" " + whole, b"Connection: close")
    out["more than a mebibyte in a chunk"] = uninstall(_CHUNKED, body=b"%x\r\n %s" % (len(whole) + 1, whole))
    out["more than a mebibyte is announced"] = uninstall(
        b"Expect: 100-continue", b"Content-Length: 2000000", body=query
    )
    return out
