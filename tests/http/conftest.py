"""A real service whose API is asked."""

import pytest
from shop_api import running_shop
from test_server import _settings


@pytest.fixture
async def shop(tmp_path):
    async with running_shop(_settings(tmp_path)) as shop:
        yield shop
