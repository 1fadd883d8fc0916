"""The corpora of the arena `distillation` that come from data sets, and the tasks on them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tasks.base import NotApplicable
from tasks.distillation.corpora import Example
from tasks.distillation.datasets import Instructions, ManifestPrompts, Restaurants, WordProblems, _graded, _varied

RESTAURANTS = Restaurants(validation_share=0.1, test_share=0.0)
INSTRUCTIONS = Instructions(validation_share=0.1, test_share=0.1)
PROBLEMS = WordProblems(validation_share=0.05, test_share=0.1)
every_corpus = pytest.mark.parametrize(
    "corpus", [RESTAURANTS, INSTRUCTIONS, PROBLEMS], ids=lambda one: type(one).__name__
)


def here(corpus: ManifestPrompts) -> None:
    try:
        corpus.check()
    except NotApplicable as error:
        pytest.skip(str(error))


@every_corpus
def test_no_prompt_is_in_two_sets_and_no_other_is_lost(corpus: ManifestPrompts) -> None:
    here(corpus)
    splits = corpus.splits()
    parts = [{one.prompt for one in part} for part in (splits.train, splits.validation, splits.test, splits.second)]
    assert sum(map(len, parts)) == len(set().union(*parts))
    found = Counter(one for part in (splits.train, splits.validation, splits.test, splits.second) for one in part)
    given = Counter((*corpus.examples(), *corpus.held_out(), *corpus.second()))
    tested = parts[0] | parts[1] | parts[2]
    assert not found - given
    assert all(one.prompt in tested for one in given - found), "only what another set asks is left out"
    assert all(one.prompt.endswith("\n") and one.response for one in found)
    assert splits.train
    assert splits.test


def test_restaurants_are_tested_on_the_official_test_file_with_all_references() -> None:
    here(RESTAURANTS)
    splits = RESTAURANTS.splits()
    assert len(splits.test) == 4693
    assert len({one.prompt for one in splits.test}) == 630
    assert len({one.prompt for one in (*splits.train, *splits.validation)}) == 547
    assert splits.second == ()


def test_self_instruct_is_the_second_test_set_of_the_instructions() -> None:
    here(INSTRUCTIONS)
    splits = INSTRUCTIONS.splits()
    assert len(splits.second) == 252
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 2996


def test_every_word_problem_has_an_answer_that_its_equations_lead_to() -> None:
    here(PROBLEMS)
    splits = PROBLEMS.splits()
    examples = (*splits.train, *splits.validation, *splits.test, *splits.second)
    answers = [PROBLEMS.final_answer(one.response) for one in examples]
    assert "" not in answers
    assert None not in answers
    agreeing = [one.response.partition(" ####")[0].rpartition("=")[2] for one in examples]
    same = [PROBLEMS.final_answer(f"#### {end}") == answer for end, answer in zip(agreeing, answers, strict=True)]
    assert np.mean(same) > 0.9  # the last equation of a few problems gives something else than what is asked


@pytest.mark.parametrize(
    ("equation", "answer", "response"),
    [
        ("( 4.0 - 3.0 )", 1.0, "4-3=1 #### 1"),
        ("( 6.0 - ( 3.0 + 2.0 ) )", 1.0, "6-(3+2)=1 #### 1"),
        ("( ( 4.0 + 13.0 ) * 15.0 )", 255.0, "(4+13)*15=255 #### 255"),
        ("( 3.05 + 20.0 )", 23.05, "3.05+20=23.05 #### 23.05"),
        ("8.0", 8.0, "8=8 #### 8"),
    ],
)
def test_an_equation_of_svamp(equation: str, answer: float, response: str) -> None:
    row = {"Body": "Dan had some. ", "Question": "How many?", "Equation": equation, "Answer": answer}
    assert _varied(row) == Example("Dan had some. How many?\n", response)


def test_the_equations_of_gsm8k_stand_alone() -> None:
    answer = "She sold 48/2 = <<48/2=24>>24 in May.\nThat is 48+24 = <<48+24=72>>72.\n#### 1,072"
    assert _graded({"question": "How  many\nin all?", "answer": answer}) == Example(
        "How many in all?\n", "48/2=24 48+24=72 #### 1072"
    )


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("4-3=1 #### 1", "1"),
        ("#### $1,072.50 in all", "1072.5"),
        ("#### -3", "-3"),
        ("#### 18.0", "18"),
        ("4-3=1", ""),
        ("", ""),
    ],
)
def test_the_final_answer_stands_behind_the_mark(response: str, answer: str) -> None:
    assert PROBLEMS.final_answer(response) == answer


def test_texts_without_a_final_answer_say_so() -> None:
    assert RESTAURANTS.final_answer("A pub near #### 3") is None
