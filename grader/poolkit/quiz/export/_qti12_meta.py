"""The two files of a Canvas package beside the assessment: the manifest, and what Canvas keeps of a quiz."""

from __future__ import annotations

from lxml import etree
from lxml.builder import ElementMaker

from poolkit.quiz.export import _parts
from poolkit.quiz.model import Multi, Quiz, Single

_PACKAGE = "http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1"
_MANIFEST_META = "http://www.imsglobal.org/xsd/imsmd_v1p2"
_CANVAS = "http://canvas.instructure.com/xsd/cccv1p0"
_SPACES = {None: _PACKAGE, "imsmd": _MANIFEST_META}
P = ElementMaker(namespace=_PACKAGE, nsmap=_SPACES)
M = ElementMaker(namespace=_MANIFEST_META, nsmap=_SPACES)
C = ElementMaker(namespace=_CANVAS, nsmap={None: _CANVAS})


def assessment_id(quiz: Quiz) -> str:
    """Return the identifier of the assessment, which is also the name of its folder and file."""
    return f"poolkit_assessment_{quiz.id}"


def shuffles_all(quiz: Quiz) -> bool:
    """Whether the choices of every question may be shuffled."""
    return all(
        quiz.shuffles(question) and not _parts.has_pins(question)
        for question in quiz.questions
        if isinstance(question, Single | Multi)
    )


def canvas_manifest(quiz: Quiz) -> etree._Element:
    """Return what imsmanifest.xml holds."""
    name, meta = assessment_id(quiz), f"poolkit_dependency_{quiz.id}"
    meta_path = f"{name}/assessment_meta.xml"
    title = M.general(M.title(M.string(_parts.printable(quiz.title))))
    return P.manifest(
        P.metadata(P.schema("IMS Content"), P.schemaversion("1.1.3"), M.lom(title)),
        P.organizations(),
        P.resources(
            P.resource(
                P.file(href=f"{name}/{name}.xml"),
                P.dependency(identifierref=meta),
                identifier=name,
                type="imsqti_xmlv1p2",
            ),
            P.resource(
                P.file(href=meta_path),
                identifier=meta,
                type="associatedcontent/imscc_xmlv1p1/learning-application-resource",
                href=meta_path,
            ),
        ),
        identifier=f"poolkit_manifest_{quiz.id}",
    )


def canvas_meta(quiz: Quiz, points: int) -> etree._Element:
    """Return what assessment_meta.xml holds: a quiz that is not yet published.

    Args:
        points: of all the questions that Canvas takes.
    """
    title = C.title(_parts.printable(quiz.title))
    return C.quiz(
        title,
        C.description(),
        C.shuffle_answers(str(shuffles_all(quiz)).lower()),
        C.scoring_policy("keep_highest"),
        C.hide_results(),
        C.quiz_type("assignment"),
        C.points_possible(f"{points:.1f}"),
        C.show_correct_answers("true"),
        C.anonymous_submissions("false"),
        C.could_be_locked("false"),
        C.allowed_attempts("1"),
        C.one_question_at_a_time("false"),
        C.cant_go_back("false"),
        C.available("false"),
        C.one_time_results("false"),
        C.assignment(
            C.title(title.text or ""),
            C.workflow_state("unpublished"),
            C.quiz_identifierref(assessment_id(quiz)),
            C.points_possible(f"{points:.1f}"),
            C.grading_type("points"),
            C.submission_types("online_quiz"),
            identifier=f"poolkit_assignment_{quiz.id}",
        ),
        C.assignment_group_identifierref(f"poolkit_assignment-group_{quiz.id}"),
        identifier=assessment_id(quiz),
    )
