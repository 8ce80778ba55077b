"""`lockstep sources`: what a database would give, and how it does, at the terminal."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from test_polling_on_brokers import PATIENCE_S, Shop, serving
from till import QUERY, Till, source_of


def asked(shop: Shop, *arguments: str) -> tuple[int, str]:
    """(exit code, what it said)."""
    environ = {"LOCKSTEP_BROKER": shop.settings.broker, "LOCKSTEP_RULES": str(shop.rules), "COLUMNS": "250"}
    process = subprocess.run(
        [sys.executable, "-m", "lockstep", "sources", *arguments],
        env={**os.environ, **environ, **shop.secrets},
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


def test_a_source_is_tried(till: Till, tmp_path: Path) -> None:
    """Ten events, and what is refused; nothing is published, and no broker is needed."""
    shop = Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db", till)
    source_of(shop.rules)
    till.order(*((number, "00:30") for number in range(30)))
    code, said = asked(shop, "--dry-run")
    assert code == 0, said
    assert said.count("order.placed") == 10
    assert "30 events of 30 rows, 0 refused" in said
    till.ask("INSERT INTO orders VALUES (99, '2026-11-24 09:01:00', NULL, 'web')")
    code, said = asked(shop, "--dry-run")
    assert code == 1
    assert "refused: placed 2026-11-24 09:01:00" in said
    assert "total: is blank, but gives 'total', which is needed" in said
    source_of(shop.rules, query=QUERY.replace("total", "totl"))
    code, said = asked(shop, "--dry-run", "till")
    assert code == 1
    assert "query: the database says: " in said
    assert "Traceback" not in said
    assert not (tmp_path / "shop.db").exists()
    assert asked(shop)[1].count("not asked yet") == 1
    assert "there is no source 'tell' without a fault; did you mean 'till'?" in asked(shop, "tell")[1]


async def test_how_the_sources_do(till: Till, tmp_path: Path) -> None:
    """Each with where it was read to, or why it fails; then the exit code says so, too."""
    shop = Shop(tmp_path, f"sqlite:///{tmp_path}/shop.db", till)
    source_of(shop.rules)
    (good,) = json.loads((shop.rules / "sources.yml").read_text())["sources"]
    broken = {**good, "name": "broken", "cursor": "placd"}
    (shop.rules / "sources.yml").write_text(json.dumps({"sources": [good, broken]}))
    till.order((1, "00:30"))
    async with serving(shop):
        await shop.has_events(1)
        async with asyncio.timeout(PATIENCE_S):
            while await shop.status("broken") is None or await shop.status() is None:
                await asyncio.sleep(0.1)
    code, said = asked(shop)
    assert code == 1
    assert "2026-11-24 09:00:30" in said
    assert "answers" in said
    assert "the query gives no column 'placd'; it gives number, placed, total, shop: name one of these" in said
    assert asked(shop, "till")[0] == 0
    shop.rules.joinpath("sources.yml").unlink()
    assert "there is no such file" in asked(shop)[1]
