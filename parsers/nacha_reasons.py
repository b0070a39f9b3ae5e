"""Why a bank sends an entry back or wants it changed: the reason codes of returns and changes, in words.

Codes are those of the Nacha operating rules, appendix four (returns) and five (changes), 2026. Who may use one
is in the section it stands in. What a code means for a vendor is decided elsewhere.

>>> reason("R03"), reason("C01"), reason("X99")
('no account, or unable to locate it', 'account number incorrect', None)
"""

from __future__ import annotations

from typing import Final

_RETURNS: Final = {
    # by the receiving bank or the ACH operator
    "R01": "insufficient funds",
    "R02": "account closed",
    "R03": "no account, or unable to locate it",
    "R04": "account number invalid",
    "R05": "corporate debit to a consumer account, not authorized",
    "R06": "returned at the originating bank's request",
    "R07": "authorization revoked by the customer",
    "R08": "payment stopped",
    "R09": "funds uncollected",
    "R10": "originator unknown to the receiver or not authorized",
    "R11": "entry not as the authorization says",
    "R12": "account sold to another bank",
    "R13": "receiving bank takes no part in ACH",
    "R14": "representative payee deceased or unable to continue",
    "R15": "beneficiary or account holder deceased",
    "R16": "account frozen, or returned by order of OFAC",
    "R17": "file record fails an edit, or invalid account under questionable circumstances",
    "R18": "effective entry date improper",
    "R19": "amount field wrong",
    "R20": "account does not take such entries",
    "R21": "company identification invalid",
    "R22": "individual identification invalid",
    "R23": "credit refused by the receiver",
    "R24": "duplicate entry",
    "R25": "addenda wrong",
    "R26": "mandatory field wrong",
    "R27": "trace number wrong",
    "R28": "check digit of the routing number wrong",
    "R29": "corporate receiver says not authorized",
    "R30": "receiving bank takes no part in check truncation",
    "R31": "late return of a CCD or CTX entry that the originating bank permitted",
    "R32": "receiving bank cannot settle",
    "R33": "return of an XCK entry",
    "R34": "receiving bank's participation limited",
    "R35": "debit improper in its class",
    "R36": "credit improper in its class",
    "R37": "source document was presented for payment",
    "R38": "payment of the source document stopped",
    "R39": "source document improper",
    # by a federal agency, of ENR entries
    "R40": "enrollment returned by the agency",
    "R41": "transaction code of the enrollment invalid",
    "R42": "routing number of the enrollment wrong",
    "R43": "account number of the enrollment invalid",
    "R44": "identification of the enrollment invalid",
    "R45": "name of the enrollment invalid",
    "R46": "representative payee indicator of the enrollment invalid",
    "R47": "duplicate enrollment",
    # by the receiving bank, of RCK entries
    "R50": "state law does not allow the re-presented check",
    "R51": "item of the re-presented check ineligible",
    "R52": "payment of the item stopped",
    "R53": "item and re-presented check both presented",
}
_GATEWAY: Final = {
    # by gateways and receiving banks, of international payments
    "R80": "international entry coded wrongly",
    "R81": "gateway takes no part in international entries",
    "R82": "foreign receiving bank identified wrongly",
    "R83": "foreign receiving bank cannot settle",
    "R84": "not processed by the gateway",
    "R85": "international payment in a domestic class",
}
DISHONORED_REASONS: Final = {
    "R61": "return misrouted",
    "R62": "return of an erroneous or reversing debit",
    "R67": "duplicate return",
    "R68": "return too late",
    "R69": "field of the return wrong",
    "R70": "permitted return not accepted, or return not requested",
}
"""By the originating bank, against a return."""
CONTESTED_REASONS: Final = {
    "R71": "dishonored return misrouted",
    "R72": "dishonored return too late",
    "R73": "original return was in time",
    "R74": "corrected return",
    "R75": "return is no duplicate",
    "R76": "no errors found in the return",
    "R77": "dishonored return R62 not accepted",
}
"""By the receiving bank, against a dishonored return."""
RETURN_REASONS: Final = _RETURNS | _GATEWAY | DISHONORED_REASONS | CONTESTED_REASONS
DISHONORED_CODES: Final = frozenset(DISHONORED_REASONS)
CONTESTED_CODES: Final = frozenset(CONTESTED_REASONS)

CHANGE_REASONS: Final = {
    "C01": "account number incorrect",
    "C02": "routing number incorrect",
    "C03": "routing number and account number incorrect",
    "C04": "name of the receiver incorrect",
    "C05": "transaction code incorrect",
    "C06": "account number and transaction code incorrect",
    "C07": "routing number, account number and transaction code incorrect",
    "C08": "foreign receiving bank's identification incorrect",
    "C09": "identification number of the receiver incorrect",
    "C10": "company name incorrect",
    "C11": "company identification incorrect",
    "C12": "company name and identification incorrect",
    "C13": "addenda format incorrect",
    "C14": "international entry in a domestic class",
}
REFUSED_REASONS: Final = {
    "C61": "notification misrouted",
    "C62": "trace number incorrect",
    "C63": "company identification incorrect",
    "C64": "identification number of the receiver incorrect",
    "C65": "corrected data formatted incorrectly",
    "C66": "discretionary data incorrect",
    "C67": "routing number is not that of the original entry",
    "C68": "account number is not that of the original entry",
    "C69": "transaction code incorrect",
}
"""By the originating bank, against a notification of change."""
_ALL: Final = RETURN_REASONS | CHANGE_REASONS | REFUSED_REASONS


def reason(code: str) -> str | None:
    """The words of a return, change or refusal code; None for one not known here."""
    return _ALL.get(code)
