"""The one exchange by which a bearer token is asked for. Who holds it, and for how long, is the pipeline's."""

from __future__ import annotations

import requests

from devices.push.base import Answer, Lost, Request

CONNECT, READ = 3.0, 5.0  # seconds; both together stay well below a batch's lease
LONGEST = 64 * 1024  # bytes of an answer


def exchanged(request: Request) -> Answer:
    """Send ``request`` to the service's token endpoint and return the answer; never raises for what the network does.

    No redirects, no proxies and no .netrc from the environment.
    """
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.request(
                request.method,
                request.url,
                data=request.body,
                headers=dict(request.all_headers),
                timeout=(CONNECT, READ),
                allow_redirects=False,
                stream=True,
            ) as answer:
                body = answer.raw.read(LONGEST, decode_content=True)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Answer(answer.status_code, headers, body)
        except (requests.RequestException, OSError) as error:
            return Answer(0, lost=Lost.NOT_SENT, error=str(error))
