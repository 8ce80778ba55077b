"""A report is read by the signed link of its message: that one alone, nothing else, for as long as it is kept."""

import msgspec
from report_samples import ACTIONS, NEWS, SIX, sample_shop
from test_server import until

from lockstep.adapters.links import Purpose, SignedLinks, Signer
from lockstep.adapters.mail.leads import leads_of
from lockstep.app import utc_now
from lockstep.notification import Message
from lockstep.ports import Destination, Record
from lockstep.reports.daily import daily
from lockstep.reports.report_body import report_document
from lockstep.response.report_due import REPORTS

REPORT = daily(sample_shop(campaigns=False), NEWS, ACTIONS, SIX)
ANNA = Destination("d", "email", "anna@shop.example", "mail")


async def test_a_report_is_read_by_the_link_of_its_mail(shop):
    """Without a login, by whoever has it; it leads to no other page, and its address changes nothing."""
    document = report_document(REPORT)
    await shop.service.broker.publish([Record(REPORTS, msgspec.json.encode(document), REPORT.id.encode(), 0)])

    async def is_kept():
        return shop.service.reports.report(REPORT.id)

    await until(is_kept)
    message = Message(
        subject=REPORT.title, state="handled", rule="", severity="info", teams=("marketing",), items=(), report=document
    )
    leads = leads_of(message, ANNA, shop.service.links)
    token = leads.report.rpartition("/report/")[2]

    async def asked(path, method="GET"):
        # By a name that is not this machine's, as from a phone: nobody is let in without a link.
        headers = {"Host": "alerts.shop.example"}
        async with shop.session.request(method, f"{shop.base}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    assert (await asked(f"/reports/{REPORT.id}"))[0] == 401
    status, page = await asked(f"/report/{token}")
    assert (status, REPORT.title in page) == (200, True)
    assert 'href="../report.css"' in page
    assert 'href="../reports"' not in page
    assert "<form" not in page
    assert (await asked(f"/report/{token}", "POST"))[0] == 405
    assert (await asked("/report.css"))[0] == 200
    links = shop.service.links
    forged = SignedLinks(Signer(lambda: ["another key of somebody"]), base_url="", life_s=1e9, clock=utc_now)
    for other, said in [
        (forged.token(Purpose.REPORT, REPORT.id), "not whole, or not from here"),
        (links.token(Purpose.LOOK, REPORT.id), "not whole, or not from here"),
        (links.token(Purpose.REPORT, "daily/2020-01-01"), "older than what is kept"),
        (f"{token}x", "not whole, or not from here"),
    ]:
        status, page = await asked(f"/report/{other}")
        assert (status, said in page) == (404, True), said
    assert (await asked(f"/act/{token}"))[0] == 404
