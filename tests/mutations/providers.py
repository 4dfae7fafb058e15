"""Mistakes on the way to FCM, APNs and WNS: tokens, quotas, first requests, whom credentials are shown to."""

from __future__ import annotations

from tests.mutations.table import Mutation

FLOW = "tests/campaigns/pipeline/test_five_services.py"
SHARED = "tests/campaigns/pipeline/test_bearer_tokens.py"
FIRST = "tests/devices/push/test_engine_first.py"
DOOR = "tests/devices/test_credentials.py"
BEARER, TOKENS = "devices/bearer.py", "campaigns/pipeline/tokens.py"

MISTAKES = (
    Mutation(
        (),
        "everybody asks for a token",
        BEARER,
        "BearerToken.objects.filter(free, due, mark=mark)",
        "BearerToken.objects.filter(mark=mark)",
        (f"{SHARED}::test_a_token_is_asked_for_once_by_whoever_needs_it",),
    ),
    Mutation(
        (),
        "a token belongs to an App and not to a key",
        BEARER,
        "if name in (service.token_subject or told)}",
        'if name in (service.token_subject or told)} | {"now": str(time.time())}',
        (f"{SHARED}::test_one_token_of_apple_serves_all_senders_and_all_apps_with_the_same_key",),
    ),
    Mutation(
        (),
        "Apple's token is changed as often as it is refused",
        BEARER,
        "row.filter(settled_at__lte=now).update(",
        "row.update(",
        (f"{SHARED}::test_apples_token_is_not_changed_within_twenty_minutes_and_our_key_is_blamed",),
    ),
    Mutation(
        (),
        "Apple's token is never changed",
        BEARER,
        "row.filter(settled_at__lte=now).update(",
        "row.none().update(",
        (f"{SHARED}::test_apples_token_is_changed_when_it_is_refused_later",),
    ),
    Mutation(
        (),
        "a token is used until its end",
        TOKENS,
        "            if now >= held.renew_at:\n",
        "            if False:\n",
        (f"{SHARED}::test_a_token_is_renewed_before_it_ends",),
    ),
    Mutation(
        (),
        "a sender waits for a token",
        TOKENS,
        "        self._asking[mark] = self._begin(asked), now\n",
        "        self._asking[mark] = self._begin(asked), now\n        self._asking[mark][0].result()\n",
        (f"{SHARED}::test_while_a_token_is_on_its_way_other_services_go_on",),
    ),
    Mutation(
        (),
        "pushes leave before their token has come",
        "campaigns/pipeline/transfer.py",
        "        if self.leaving or self.waiting or time",
        "        if self.leaving or time",
        (f"{SHARED}::test_while_a_token_is_on_its_way_other_services_go_on",),
    ),
    Mutation(
        (),
        "credentials are shown to any server",
        "devices/targets.py",
        "    if not server or urlsplit(server).netloc in let_through():",
        "    if True:",
        (f"{SHARED}::test_a_token_is_not_shown_to_a_server_that_nobody_let_through", DOOR),
    ),
    Mutation(
        (),
        "real credentials are shown to the emulator",
        "devices/push/services/wns.py",
        "        if not credentials.server and not HOST.fullmatch(start):",
        "        if False:",
        (f"{SHARED}::test_real_credentials_are_not_shown_to_the_emulator",),
    ),
    Mutation(
        (),
        "the emulator's authority is trusted for everybody",
        "devices/push/engine.py",
        'authorities = self._trust.get(host, "")',
        'authorities = next(iter(self._trust.values()), "")',
        (f"{FIRST}::test_an_authority_is_trusted_for_its_own_address_and_no_other",),
    ),
    Mutation(
        (),
        "a handle is used again whatever it trusts",
        "devices/push/engine.py",
        "kind = (exchange.certificate, exchange.http2, exchange.authorities)",
        'kind = (exchange.certificate, exchange.http2, "")',
        (f"{FIRST}::test_each_authority_has_connections_of_its_own",),
    ),
    Mutation(
        (),
        "all go at once to a server that nobody knows",
        "devices/push/warming.py",
        "        known.waiting.append(one)\n        return False\n\n    def refused",
        "        return True\n\n    def refused",
        (f"{FIRST}::test_the_first_request_to_a_host_goes_alone_and_the_others_follow_its_answer",),
    ),
    Mutation(
        (),
        "one slow device holds up a whole host",
        "devices/push/warming.py",
        "if now - self._hosts[host].since > PATIENCE]:",
        "if now - self._hosts[host].since > 60 * PATIENCE]:",
        (f"{FIRST}::test_a_first_request_that_takes_long_holds_up_the_others_for_a_second",),
    ),
    Mutation(
        (),
        "an address that is dead since yesterday ends who registered today",
        "campaigns/pipeline/recording.py",
        "    if gone_since is not None:",
        "    if False:",
        (f"{FLOW}::test_an_answer_ends_what_it_is_about_and_nothing_else",),
    ),
    Mutation(
        (),
        "a project over its quota is sent to as before",
        "campaigns/pipeline/breaker.py",
        "            if answer.verdict.rests:",
        "            if False:",
        (f"{FLOW}::test_a_project_over_its_quota_rests_as_a_whole_and_others_go_on",),
    ),
    Mutation(
        (),
        "the composer counts those who cannot be shown it",
        "campaigns/compose/preflight.py",
        "found[kind is not None and kind.slug not in one.service.kinds].append(one)",
        "found[0].append(one)",
        (f"{FLOW}::test_before_anything_is_sent_the_pages_count_who_is_left_out",),
    ),
    Mutation(
        (),
        "a journal forgets since when an address is gone",
        "campaigns/pipeline/journal.py",
        "    if since:\n",
        "    if False:\n",
        (f"{FLOW}::test_a_journal_keeps_since_when_an_address_is_gone",),
    ),
    Mutation(
        (),
        "a service account may point elsewhere for its tokens",
        "devices/push/service_account.py",
        "        if uri != TOKEN_URI and not LOCAL.fullmatch(uri):",
        "        if False:",
        (DOOR,),
    ),
    Mutation(
        (),
        "a certificate may be for another app",
        "devices/push/apple_key.py",
        "        if named and named != self.topic:",
        "        if False:",
        (DOOR,),
    ),
)
