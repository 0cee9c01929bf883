"""What BigQuery's real client sends to a BigQuery on loopback: the statement, the parameters with their types, and the token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google_cloud import TOKEN, GoogleCloud, serving_google_cloud
from queries import ask

from leanplum_sync.wire.action import Json

pytestmark = pytest.mark.slow

URL = "bigquery://shop/public?location=EU"


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GoogleCloud]:
    with serving_google_cloud(tmp_path) as serving:
        for name, text in serving.environ.items():
            monkeypatch.setenv(name, text)
        yield serving


def test_parameters_are_sent_beside_the_statement_with_their_types(
    cloud: GoogleCloud, tmp_path: Path
) -> None:
    attack = "'; DROP TABLE customers; --"
    parameters: dict[str, Json] = {
        "text": attack,
        "whole": 41,
        "share": 0.5,
        "flag": True,
        "none": None,
        "day": "2026-02-03",
    }
    query = (
        "SELECT id, tier FROM customers WHERE tier <> :text AND visits > :whole AND share > :share"
        " AND active = :flag AND left IS NOT DISTINCT FROM :none AND joined > CAST(:day AS DATE) AND tier <> :text"
    )
    answer = ask(URL, query, tmp_path / "project", parameters)
    assert answer.rows == [{"id": "u01", "tier": "gold"}]
    assert len(cloud.jobs) == 2  # the columns, and the rows
    for job in cloud.jobs:
        sent = job["configuration"]["query"]
        assert attack not in sent["query"]
        assert "tier <> @text AND visits > @whole AND share > @share" in sent["query"]
        assert "CAST(@day AS DATE) AND tier <> @text" in sent["query"]
        assert sent["parameterMode"] == "NAMED"
        assert {
            each["name"]: (each["parameterType"]["type"], each["parameterValue"]["value"])
            for each in sent["queryParameters"]
        } == {
            "text": ("STRING", attack),
            "whole": ("INT64", "41"),
            "share": ("FLOAT64", 0.5),
            "flag": ("BOOL", "true"),
            "none": ("STRING", None),
            "day": ("STRING", "2026-02-03"),
        }
        assert len(sent["queryParameters"]) == len(parameters)
        assert sent["useLegacySql"] is False
        assert sent["defaultDataset"] == {"projectId": "shop", "datasetId": "public"}
        assert job["jobReference"]["location"] == "EU"
    assert cloud.authorizations == {f"Bearer {TOKEN}"}
