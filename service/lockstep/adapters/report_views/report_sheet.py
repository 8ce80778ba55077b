"""The sheet of reports: one look for mails, which carry it in every tag, and for the page, which links it."""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "r-page": "margin:0;padding:0;background:#f2f4f7;color:#101828;font-size:15px;line-height:1.45;"
    "font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif",
    "r-wrap": "max-width:680px;margin:0 auto;padding:16px 10px 30px",
    "r-card": "background:#ffffff;border:1px solid #e4e7ec;border-radius:10px;padding:14px 16px;margin:0 0 12px",
    "r-head": "margin:0 2px 10px",
    "r-title": "color:#667085;font-size:13px;margin:0 0 2px",
    "r-headline": "font-size:18px;line-height:1.35;margin:0;font-weight:bold",
    "r-h2": "font-size:17px;margin:20px 2px 8px;font-weight:bold",
    "r-h3": "font-size:14px;margin:14px 0 4px;font-weight:bold",
    "r-grey": "color:#667085;font-size:13px",
    "r-small": "color:#667085;font-size:13px;margin:8px 0 0",
    "r-time": "color:#667085;font-size:13px;font-weight:normal;margin-left:4px",
    "r-result": "font-weight:bold;margin:0 0 6px",
    "r-group": "background:#ffffff;border:1px solid #e4e7ec;border-left:5px solid #b54708;border-radius:10px;"
    "padding:10px 12px 4px;margin:0 0 10px",
    "r-marketing": "border-left-color:#7a5af8",
    "r-operations": "border-left-color:#0e7490",
    "r-both": "border-left-color:#b54708",
    "r-idle": "padding-bottom:10px",
    "r-team": "font-size:14px;font-weight:bold;margin:0 0 4px",
    "r-team-marketing": "color:#6941c6",
    "r-team-operations": "color:#0e7490",
    "r-team-both": "color:#b54708",
    "r-task": "padding:0 0 8px",
    "r-act": "font-size:16px;line-height:1.35;font-weight:bold",
    "r-act-other": "font-size:14px;line-height:1.35",
    "r-due": "font-weight:normal;color:#475467;white-space:nowrap",
    "r-why": "font-size:13px;line-height:1.4;color:#475467",
    "r-tile": "display:inline-block;vertical-align:top;width:31%;min-width:142px;box-sizing:border-box;"
    "padding:6px 8px 8px 0",
    "r-name": "color:#667085;font-size:13px",
    "r-value": "font-size:19px;line-height:1.3;font-weight:bold;white-space:nowrap",
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
    "r-num": "text-align:right;white-space:nowrap;padding-right:8px",
    "r-day": "white-space:nowrap",
    "r-right": "text-align:right;padding-right:8px",
    "r-first": "min-width:70px;font-weight:bold",
    "r-below": "border-top:0;padding:0 0 6px;color:#667085;font-size:13px;word-break:break-word",
    "r-row": "padding:6px 0;border-top:1px solid #e4e7ec;font-size:14px;word-break:break-word",
    "r-first-row": "border-top:0",
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
    "r-group": "background:#161b26;border-top-color:#333741;border-right-color:#333741;border-bottom-color:#333741",
    "r-title": "color:#94969c",
    "r-grey": "color:#94969c",
    "r-small": "color:#94969c",
    "r-time": "color:#94969c",
    "r-below": "color:#94969c",
    "r-name": "color:#94969c",
    "r-team-marketing": "color:#bdb4fe",
    "r-team-operations": "color:#67e3f9",
    "r-team-both": "color:#fdb022",
    "r-due": "color:#cecfd2",
    "r-why": "color:#cecfd2",
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


def page_sheet() -> str:
    """The whole sheet, as a page links it."""
    light = "".join(f".{name}{{{style}}}" for name, style in LIGHT.items() if name != "r-page")
    dark = "".join(f".{name}{{{style}}}" for name, style in DARK.items() if name != "r-page")
    return f"{light}{_SPARK}@media (prefers-color-scheme:dark){{{dark}{_SPARK_DARK}}}\n"


def dark_sheet() -> str:
    """What a mail has beside the styles in its tags, which it has to outdo."""
    rules = (
        f".{name}{{{';'.join(f'{part}!important' for part in style.split(';') if part)}}}"
        for name, style in DARK.items()
    )
    schemes = ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    return f"{schemes}@media (prefers-color-scheme:dark){{{''.join(rules)}}}"
