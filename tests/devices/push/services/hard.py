"""What has to come through every service's wire unharmed, and what comes back that is no answer of any service."""

from __future__ import annotations

import json

# Texts as people type them, and as somebody types them who wants out of the string or element they are kept in.
TEXTS = (
    "Grüße 👩‍👩‍👧 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 🏴󠁧󠁢󠁷󠁬󠁳󠁿",
    "مرحبا \u202eעברית\u202c 世界",
    '"quoted" \\back\\ </script> & <b>',
    '","data":{"mid":"x"},"token":"stolen"}}',
    "]]> <!-- --> <?xml?> &amp; &#0;",
    "line\nnext\ttab",
    "\u2028\u2029\ufeff",
)

# Bodies that are no error object of anybody's: none of them may break the sender.
ODD_BODIES = (
    b"",
    b"nonsense",
    b"<!doctype html><html><body>Error</body></html>",
    b"[]",
    b'["error"]',
    b'"error"',
    b"null",
    b"5",
    b"true",
    b"{}",
    b'{"error":null,"reason":null}',
    b'{"error":[],"reason":[]}',
    b'{"error":"text","reason":{}}',
    b'{"error":5,"reason":5,"timestamp":"soon"}',
    b'{"error":{},"reason":"","timestamp":-1}',
    b'{"error":{"details":{}}}',
    b'{"error":{"details":[null,5,"x",[]]}}',
    b'{"error":{"details":[{"@type":5,"errorCode":["UNREGISTERED"]}]}}',
    b'{"error":{"details":[{"@type":"x.FcmError","errorCode":null}]}}',
    b'{"error":{"details":[{"@type":"x.FcmError","errorCode":{}}]}}',
    b'{"error":{"details":[{"fieldViolations":5}]}}',
    b'{"error":{"details":[{"fieldViolations":{"field":"message.token"}}]}}',
    b'{"error":{"details":[{"fieldViolations":[5,null,{"field":5}]}]}}',
    b'{"error":{"status":[],"message":{},"code":"x"}}',
    b'{"reason":"Unheard","timestamp":true}',
    b'{"reason":"Unheard","timestamp":1e400}',
    b'{"reason":"Unheard","timestamp":' + b"9" * 400 + b"}",
    b"\xff\xfe\x00",
    b"\x00" * 1000,
    b"[" * 60_000,
    b'{"a":' * 12_000,
    b'{"error":"' + b"x" * 65_000 + b'"}',
    json.dumps({"reason": "x" * 15_000}).encode(),
)
