"""Money of several currencies in the shop's own: exact, rounded once."""

from dataclasses import dataclass
from fractions import Fraction

from lockstep.labels import NONE
from lockstep.shop.facts import Money
from lockstep.shop.shop_settings import ShopSettings
from lockstep.text.currency import decimals
from lockstep.text.figures import MONEY


def money_unit(currency: str) -> str:
    """The unit of money in a currency, as `Made` and the figures of reports have it; of money alone where it is ""."""
    return f"{MONEY} {currency}".rstrip()


def amount(minor: int, currency: str) -> Fraction:
    """In the currency itself: 1990 cents are 19.90."""
    return Fraction(minor, 10 ** decimals(currency))


@dataclass(frozen=True)
class Total:
    """An amount in one currency.

    minor: whole number of its minor unit. currency: "" where neither the shop nor the money names one. without: what
    is not in it, as no rate is set, by currency.
    """

    minor: int
    currency: str
    without: Money

    @property
    def amount(self) -> Fraction:
        """In the currency itself."""
        return amount(self.minor, self.currency)

    @property
    def is_unknown(self) -> bool:
        """Whether there is money, and none of it has a rate: then `minor` is 0 and says nothing."""
        return bool(self.without) and not self.minor

    @property
    def unit(self) -> str:
        return money_unit(self.currency)

    @property
    def why(self) -> str:
        """What is not in it, in words; "" where all is."""
        own = self.currency or "another"
        return "; ".join(
            f"without {amount_text(minor, currency)}: shop.yml has no rate of {currency} to {own}"
            for currency, minor in sorted(self.without.items())
        )


def own_currency(money: Money, settings: ShopSettings) -> str:
    """The currency in which money is told: the shop's; where the shop names none the only one that the money names;
    else ""."""
    named = [currency for currency in money if currency not in (NONE, "")]
    return settings.currency or (named[0] if len(named) == 1 else "")


def total(money: Money, settings: ShopSettings) -> Total:
    """Money by currency in the shop's own, rounded once, halves to the even unit.

    What names no currency is of the shop's. Where the shop names none, money of one currency stays as it is. A currency
    without a rate is never added: it is in `without`.
    """
    return total_in(own_currency(money, settings), money, settings)


def total_in(own: str, money: Money, settings: ShopSettings) -> Total:
    """The same in a currency that is settled: for sums of several totals, which must all be of one. own: "" where none
    is known; then money that names one is in `without`."""
    exact = Fraction(0)
    without: Money = {}
    for currency, minor in money.items():
        if currency in (NONE, "", own):
            exact += minor
        elif currency in settings.exchange and own:
            exact += minor * settings.exchange[currency] * Fraction(10) ** (decimals(own) - decimals(currency))
        elif minor:
            without[currency] = minor
    return Total(round(exact), own, without)


def amount_text(minor: int, currency: str) -> str:
    """`1,234.50 EUR`, exactly."""
    places = decimals(currency)
    whole, rest = divmod(abs(minor), 10**places)
    cents = f".{rest:0{places}}" if places else ""
    return f"{'-' * (minor < 0)}{whole:,}{cents} {currency}".rstrip()
