"""The sheet of reports: one look for mails, which carry it in every tag, and for the page, which links it."""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "r-page": "margin:0;padding:0;background:#f2f4f7;color:#101828;font-size:15px;line-height:1.45;"
    "font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif",
    "r-wrap": "max-width:680px;margin:0 auto;padding:16px 10px 30px",
    "r-card": "background:#ffffff;border:1px solid #e4e7ec;border-radius:10px;padding:14px 16px;margin:0 0 12px",
    "r-title": "font-size:20px;line-height:1.3;margin:0 0 4px;font-weight:bold",
    "r-headline": "font-size:16px;margin:0",
    "r-h2": "font-size:17px;margin:20px 2px 8px;font-weight:bold",
    "r-h3": "font-size:14px;margin:12px 0 4px;font-weight:bold",
    "r-grey": "color:#667085;font-size:13px",
    "r-soft": "color:#475467",
    "r-matter": "background:#ffffff;border:1px solid #e4e7ec;border-left:5px solid #475467;border-radius:10px;"
    "padding:12px 14px;margin:0 0 10px",
    "r-marketing": "border-left-color:#7a5af8",
    "r-operations": "border-left-color:#0e7490",
    "r-both": "border-left-color:#b54708",
    "r-who": "display:inline-block;padding:2px 10px;border-radius:10px;background:#475467;color:#ffffff;font-size:13px;"
    "font-weight:bold;margin:0 8px 4px 0",
    "r-who-marketing": "background:#6941c6",
    "r-who-operations": "background:#0e7490",
    "r-who-both": "background:#b54708",
    "r-stake": "font-weight:bold;font-size:15px;margin:0 8px 0 0",
    "r-due": "font-weight:bold;font-size:14px;color:#475467;white-space:nowrap",
    "r-act": "font-size:17px;line-height:1.35;margin:4px 0 2px;font-weight:bold",
    "r-tile": "display:inline-block;vertical-align:top;width:31%;min-width:142px;box-sizing:border-box;"
    "padding:6px 8px 8px 0",
    "r-name": "color:#667085;font-size:13px",
    "r-value": "font-size:22px;line-height:1.25;font-weight:bold;white-space:nowrap",
    "r-against": "font-size:13px;color:#475467",
    "r-good": "color:#067647;font-weight:bold",
    "r-bad": "color:#b42318;font-weight:bold",
    "r-bars": "font-size:11px;color:#475467;line-height:1.3;white-space:pre",
    "r-chart": "display:block;border:0;margin-top:3px;font-size:11px;color:#475467",
    "r-table": "border-collapse:collapse;width:100%;font-size:14px",
    "r-th": "text-align:left;vertical-align:bottom;padding:4px 8px 4px 0;color:#667085;font-weight:normal;"
    "font-size:13px;width:auto;border-top:0;word-break:normal;overflow-wrap:normal",
    "r-td": "text-align:left;vertical-align:top;padding:5px 8px 5px 0;border-top:1px solid #e4e7ec;"
    "word-break:break-word",
    "r-num": "text-align:right;white-space:nowrap;padding-right:14px",
    "r-first": "min-width:84px",
    "r-row": "padding:6px 0;border-top:1px solid #e4e7ec;font-size:14px;word-break:break-word",
    "r-gap": "background:#fffaeb;border:1px solid #fedf89;border-radius:10px;padding:10px 16px;margin:0 0 12px;"
    "font-size:14px",
    "r-late": "background:#fef3f2;border:1px solid #fecdca;border-radius:10px;padding:8px 14px;margin:0 0 10px;"
    "font-size:14px",
    "r-list": "margin:6px 0;padding-left:20px",
    "r-link": "color:#175cd3",
}
"""class → style. What a class adds to another one stands after it."""

DARK: Mapping[str, str] = {
    "r-page": "background:#0c111d;color:#f5f5f6",
    "r-card": "background:#161b26;border-color:#333741",
    "r-matter": "background:#161b26;border-top-color:#333741;border-right-color:#333741;border-bottom-color:#333741",
    "r-marketing": "border-left-color:#9b8afb",
    "r-operations": "border-left-color:#22b8cf",
    "r-both": "border-left-color:#f79009",
    "r-grey": "color:#94969c",
    "r-name": "color:#94969c",
    "r-soft": "color:#cecfd2",
    "r-due": "color:#cecfd2",
    "r-against": "color:#cecfd2",
    "r-good": "color:#47cd89",
    "r-bad": "color:#f97066",
    "r-bars": "color:#cecfd2",
    "r-chart": "color:#cecfd2",
    "r-th": "color:#94969c",
    "r-td": "border-top-color:#333741",
    "r-row": "border-top-color:#333741",
    "r-gap": "background:#2b2311;border-color:#7a5c12",
    "r-late": "background:#2f1a19;border-color:#7a271a",
    "r-link": "color:#84adff",
}

_SPARK = (
    ".spark{display:block;width:120px;height:30px;margin-top:3px}.spark path{fill:none}"
    ".spark-line{stroke:#475467;stroke-width:2;stroke-linejoin:round}.spark-dot{fill:#175cd3}"
    ".spark-usual{stroke:#98a2b3;stroke-width:1;stroke-dasharray:3 3}"
)
_SPARK_DARK = ".spark-line{stroke:#cecfd2}.spark-dot{fill:#84adff}.spark-usual{stroke:#61646c}"
_NARROW = (
    "@media (max-width:600px){.r-wide thead{display:none}.r-wide,.r-wide tbody,.r-wide tr{display:block}"
    ".r-wide tr{border-top:1px solid rgba(128,128,128,.3);padding:6px 0}"
    ".r-wide td{display:inline;border:0;padding:0;text-align:left;white-space:normal}"
    ".r-wide td+td::before{content:' · ' attr(data-name) ' ';opacity:.75}.r-wide td.r-none{display:none}"
    ".r-wide td:first-child{font-weight:bold}}"
)
"""On a phone a row of many columns becomes a line of words."""


def page_sheet() -> str:
    """The whole sheet, as a page links it."""
    light = "".join(f".{name}{{{style}}}" for name, style in LIGHT.items() if name != "r-page")
    dark = "".join(f".{name}{{{style}}}" for name, style in DARK.items() if name != "r-page")
    return f"{light}{_SPARK}{_NARROW}@media (prefers-color-scheme:dark){{{dark}{_SPARK_DARK}}}\n"


def dark_sheet() -> str:
    """What a mail has beside the styles in its tags, which it has to outdo."""
    rules = (
        f".{name}{{{';'.join(f'{part}!important' for part in style.split(';') if part)}}}"
        for name, style in DARK.items()
    )
    schemes = ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    return f"{schemes}@media (prefers-color-scheme:dark){{{''.join(rules)}}}"
