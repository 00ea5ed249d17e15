"""What schemathesis is not to ask.

* A revision that is not there yet: the contract says 503 to that (`behind`), and a 503 counts as a server error here. The demo city has a few
  revisions, and each write of the run adds one.
* More than 10,000 items of an OGC collection, as a value that must be refused: OGC API - Features says that a `limit` above the `maximum` of the
  document is no error but the largest page (part 1, /req/core/fc-limit-response).
"""

import schemathesis

FEW = 4
LARGEST_PAGE = 10_000


def number(values, name):
    asked = str((values or {}).get(name, "0"))
    return int(asked) if asked.isascii() and asked.isdigit() else 0


@schemathesis.hook
def filter_case(context, case):
    if number(case.headers, "Min-Revision") > FEW:
        return False
    return not (case.path.startswith("/ogc") and number(case.query, "limit") > LARGEST_PAGE)
