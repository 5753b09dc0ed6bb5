"""Definitions from one language into another, and what is wrong with them."""

from __future__ import annotations

import pytest

import xenith

XML = """<domain type='xen'>
  <name>web1</name>
  <title>web</title>
  <memory unit='MiB'>64</memory>
  <os><type>linux</type><kernel>/boot/vmlinuz</kernel></os>
</domain>
"""
PLAIN = XML.replace("  <title>web</title>\n", "")


@pytest.mark.parametrize("format", ["xen-xl", "xen-xm", "xen-sxpr", "xenvm"])
def test_a_definition_goes_into_each_language_and_back(format: str) -> None:
    there = xenith.domain_xml_to_native(format, PLAIN)
    assert there.warnings == ()
    back = xenith.domain_xml_from_native(format, there.text)
    assert "<name>web1</name>" in back.text and back.warnings == ()


def test_the_age_of_xend_can_be_chosen() -> None:
    screen = PLAIN.replace("</domain>", "<devices><graphics type='vnc'/></devices></domain>")
    assert "(vfb " in xenith.domain_xml_to_native("xen-sxpr", screen).text
    assert "vfb = [" in xenith.domain_xml_to_native("xen-xm", screen).text
    hvm = "name = 'g'\nbuilder = 'hvm'\n"
    assert "<acpi/>" in xenith.domain_xml_from_native("xen-xm", hvm).text
    assert "<acpi/>" not in xenith.domain_xml_from_native("xen-xm", hvm, xend_config_format=1).text
    assert "(vfb " not in xenith.domain_xml_to_native("xen-sxpr", screen, xend_config_format=1).text
    with pytest.raises(xenith.InvalidArgError, match="xend_config_format is 9"):
        xenith.domain_xml_to_native("xen-sxpr", PLAIN, xend_config_format=9)


def test_what_is_lost_is_an_error_or_a_warning() -> None:
    with pytest.raises(xenith.NotSupportedError, match="no place for <title>"):
        xenith.domain_xml_to_native("xenvm", XML)
    converted = xenith.domain_xml_to_native("xenvm", XML, lenient=True)
    assert "name = web1\n" in converted.text
    (warning,) = converted.warnings
    assert warning.severity == xenith.Severity.WARNING and "<title>" in warning.message
    assert (warning.line, warning.column) == (None, None)

    (warning,) = xenith.domain_xml_from_native("xen-xl", "name = 'g'\nkernel = '/k'\nfrob = 1\n", lenient=True).warnings
    assert str(warning) == "line 3, column 8: warning: 'frob' has no place in a guest's description"


def test_a_wrong_text_is_an_error_with_its_place() -> None:
    with pytest.raises(xenith.InvalidConfigError, match="line 1, column 8"):
        xenith.domain_xml_from_native("xen-xl", "name = g\n", lenient=True)
    with pytest.raises(xenith.InvalidArgError, match="'vmx' is not known"):
        xenith.domain_xml_from_native("vmx", "")


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = xenith.validate("name = g\nhvm = maybe\nmemory = lots\nfrob = 1\nstartup = paused\n")
    assert found.format == "xenvm" and not found.is_valid
    said = [(problem.severity, problem.line, problem.column, problem.length) for problem in found.problems]
    error, warning = xenith.Severity.ERROR, xenith.Severity.WARNING
    assert said == [(error, 2, 7, 5), (error, 3, 10, 4), (error, 4, 1, 4), (warning, 5, 11, 6)]

    good = xenith.validate(XML)
    assert good.format == "domain-xml" and good.is_valid and good.problems == ()
    assert xenith.validate(XML, "xen-sxpr").problems != ()
    with pytest.raises(xenith.InvalidArgError, match="format"):
        xenith.validate(XML, "frob")
