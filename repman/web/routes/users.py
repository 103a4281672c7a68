"""Accounts, tokens, and the audit trail."""

from __future__ import annotations

from repman.web.call import View
from repman.web.routes.route import CLUSTER, Answer, Parameter, Route, unknown_cluster
from repman.web.shapes.common import ERROR
from repman.web.shapes.users import ADDED, AUDIT, CHANGED, TOLD, USERS
from repman.web.views import audit, users

_MONITOR = "/api/monitor/actions"
_NAME = Parameter("username", "the account; in the body, never in the query", required=True)
_GRANTS = Parameter(
    "grants", "names of grants, or beginnings that stand for all grants with it, with blanks between; or an array"
)
_PASSWORD = Parameter("password", "8 to 1024 characters; in the body, never in the query")
_GENERATED = Parameter("password", f"{_PASSWORD.help}; left out: one is made, and told once in the answer")
_WRONG = Answer(400, "`Error in request`: the body is no JSON object.", "text/plain")
_BAD = Answer(400, "What is wrong with name, grants or password.", schema=ERROR)
_EXCEEDS = Answer(403, "The caller lacks a grant that would be given or taken.", schema=ERROR)
_NOBODY = Answer(404, "There is no such user.", schema=ERROR)
_CLASH = Answer(409, "The account is in the configuration, or in other clusters, or there already.", schema=ERROR)
_REFUSALS = (_WRONG, _BAD, _EXCEEDS, _NOBODY, _CLASH)
_PROOF = "tests/integration/test_accounts.py::test_{}".format


def _act(
    path: str,
    view: View,
    grant: str,
    summary: str,
    parameters: tuple[Parameter, ...],
    done: Answer,
    proof: str = "a_user_is_made_and_acts_within_the_grants",
) -> Route:
    return Route(
        path,
        view,
        grant,
        ("POST",),
        safe=False,
        no_cluster=unknown_cluster,
        summary=summary,
        parameters=parameters,
        answers=(done, *_REFUSALS),
        proof=_PROOF(proof),
    )


_TRAIL = (
    Parameter("limit", "the most rows that are wanted", "integer"),
    Parameter("before", "only rows with a smaller number, to read on", "integer"),
)

ROUTES: tuple[Route, ...] = (
    Route(
        f"{CLUSTER}/users",
        users.cluster_users,
        "cluster-grant",
        no_cluster=unknown_cluster,
        summary="The users to whom the cluster is open, with their grants.",
        answers=(Answer(200, "", schema=USERS),),
        proof=_PROOF("a_user_is_made_and_acts_within_the_grants"),
    ),
    _act(
        f"{CLUSTER}/users/add",
        users.add,
        "cluster-grant",
        "Make a user of this cluster, or let one of another cluster in.  Nobody gives a grant that he lacks.",
        (_NAME, _GENERATED, _GRANTS),
        Answer(200, "", schema=ADDED),
    ),
    _act(
        f"{CLUSTER}/users/update",
        users.update,
        "cluster-grant",
        "Give a user other grants in this cluster, another password, or both; a new password voids the user's tokens.",
        (_NAME, _PASSWORD, _GRANTS),
        Answer(200, "", schema=CHANGED),
    ),
    _act(
        f"{CLUSTER}/users/drop",
        users.drop,
        "cluster-grant",
        "Close the cluster to a user, who is removed when no other is open.",
        (_NAME,),
        Answer(200, "", schema=CHANGED),
    ),
    _act(
        f"{_MONITOR}/adduser/<user>",
        users.add_everywhere,
        "cluster-grant",
        "Make a user of all clusters.",
        (_GENERATED, _GRANTS),
        Answer(200, "", schema=ADDED),
    ),
    _act(
        f"{_MONITOR}/updateuser/<user>",
        users.update_everywhere,
        "cluster-grant",
        "Give a user of all clusters other grants, another password, or both.",
        (_PASSWORD, _GRANTS),
        Answer(200, "", schema=CHANGED),
    ),
    _act(
        f"{_MONITOR}/dropuser/<user>",
        users.drop_everywhere,
        "cluster-grant",
        "Remove a user of all clusters.",
        (),
        Answer(200, "", schema=CHANGED),
    ),
    Route(
        "/api/users",
        users.all_users,
        "global-grant",
        summary="All users, with their grants.",
        answers=(Answer(200, "", schema=USERS),),
        proof=_PROOF("a_user_is_made_and_acts_within_the_grants"),
    ),
    _act(
        "/api/users/<user>/revoke-tokens",
        users.revoke_tokens,
        "global-grant",
        "Make all tokens of a user void.",
        (),
        Answer(200, "", schema=TOLD),
        "tokens_survive_a_restart_and_revocation_too",
    ),
    Route(
        "/api/users/password",
        users.change_password,
        methods=("POST",),
        safe=False,
        summary="Change one's own password; all tokens of the caller are void then.",
        parameters=(
            Parameter("password", "the present one; in the body", required=True),
            Parameter("newPassword", "the new one, 8 to 1024 characters; in the body", required=True),
        ),
        answers=(
            Answer(200, "", schema=TOLD),
            *_REFUSALS,
            Answer(429, "Too many wrong passwords; `Retry-After` says for how many seconds.", schema=ERROR),
        ),
        proof=_PROOF("a_user_is_made_and_acts_within_the_grants"),
    ),
    Route(
        "/api/logout",
        users.logout,
        methods=("POST",),
        safe=False,
        summary="Make the token void that comes with the request.",
        parameters=(Parameter("everywhere", "all tokens of the caller", "boolean"),),
        answers=(Answer(200, "", schema=TOLD), Answer(400, "`everywhere` is neither true nor false.", schema=ERROR)),
        proof=_PROOF("tokens_survive_a_restart_and_revocation_too"),
    ),
    Route(
        "/api/audit",
        audit.everything,
        "global-grant",
        summary="Who wanted what done, in all clusters, newest first; secrets replaced.",
        parameters=_TRAIL,
        answers=(Answer(200, "", schema=AUDIT), Answer(400, "`limit` or `before` is no such number.", schema=ERROR)),
        proof=_PROOF("the_audit_trail_shows_who_switched_over"),
    ),
    Route(
        f"{CLUSTER}/audit",
        audit.of_cluster,
        "cluster-grant",
        no_cluster=unknown_cluster,
        summary="Who wanted what done in the cluster, newest first; secrets replaced.",
        parameters=_TRAIL,
        answers=(Answer(200, "", schema=AUDIT), Answer(400, "`limit` or `before` is no such number.", schema=ERROR)),
        proof=_PROOF("the_audit_trail_shows_who_switched_over"),
    ),
)
