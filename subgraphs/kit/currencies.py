"""Currencies (ISO 4217): the codes in which prices can be named, and the decimals of their amounts.

Currencies with three decimals (KWD, TND, ...) are not supported: amounts are stored with two.
"""

from decimal import Decimal
from typing import Final

_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_TWO_DECIMALS = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY
COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR
MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD
SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW
"""
WHOLE: Final = frozenset(_NO_DECIMALS.split())
"""Currencies whose amounts have no decimals."""
CODES: Final = WHOLE | frozenset(_TWO_DECIMALS.split())
"""All codes."""


def unit_of(code: str) -> Decimal:
    """Return the smallest amount of a currency: 1 for one without decimals, else 0.01."""
    return Decimal(1) if code.strip() in WHOLE else Decimal("0.01")
