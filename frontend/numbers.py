"""Figures as the language of the page writes them."""

from django.utils.formats import get_format


def local(figure: str) -> str:
    """`1,234.5` with the separators of the active language: `1.234,5` in German."""
    separators = {",": get_format("THOUSAND_SEPARATOR"), ".": get_format("DECIMAL_SEPARATOR")}
    return figure.translate(str.maketrans(separators))
