"""`make release`: it knows every extra, speaks to uv as to pip, and takes no licence that it does not know."""

import pytest

pytest.importorskip("license_expression", reason="licences are read as SPDX expressions")

from scripts import licences, release


def test_a_release_uses_every_extra_or_says_why_not():
    assert {*release.USES, *release.SKIPPED} == {release.BASE, release.ALL, *release.extras_of_project()}
    assert not set(release.USES) & set(release.SKIPPED)


def test_uv_gets_the_settings_of_pip():
    told = """\
:env:.find-links='/wheels /more'
global.cert='/ca.pem'
global.extra-index-url='https://one/simple https://two/simple'
global.find-links='/others'
global.timeout='60'
"""
    assert release.uv_settings(told) == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_INDEX": "https://one/simple https://two/simple",
    }


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("Apache-2.0 WITH LLVM-exception AND BSD-2-Clause", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND (Apache-2.0 OR GPL-2.0-only)", True),
        ("AGPL-3.0-or-later", False),
        ("free for research", False),
        ("", False),
    ],
)
def test_a_licence_is_accepted_where_all_its_duties_are(licence, accepted):
    assert licences.is_accepted(licence) is accepted


def test_all_that_a_distribution_declares_has_to_be_met():
    def licence(name, *declared):
        return licences.licensed({"name": name, "version": "1", "licenses": list(declared)}).licence

    mit, old = {"license": {"id": "MIT"}}, {"license": {"name": "License :: OSI Approved :: MIT License"}}
    gpl = {"license": {"name": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}}
    assert licence("one", mit, old) == "MIT"
    assert (
        licence("two", {"expression": "MIT OR Apache-2.0"}, {"license": {"id": "ISC"}}) == "(MIT OR Apache-2.0) AND ISC"
    )
    assert not licences.is_accepted(licence("three", mit, gpl))
    assert licence("none") == ""
    assert licence("protobuf") == "BSD-3-Clause"
