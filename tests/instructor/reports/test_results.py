"""Results are stored one file each: no two submissions share one."""

from dataclasses import replace

from graded_class import submission

from course_utils.instructor.reports.results import read_results, result_name, write_result


def test_files_of_the_same_name_have_results_of_their_own():
    """As many as a large course has: short digests would be alike for some of them."""
    files = [f"class.zip/{number}/02_convolution.ipynb" for number in range(20_000)]
    assert len({result_name(file) for file in files}) == len(files)


def test_what_is_written_is_read(tmp_path):
    results = [
        replace(submission("Ada"), file=f"{place}/02.ipynb") for place in ("one", "two", "three")
    ]
    for result in results:
        write_result(tmp_path, result)
    assert {result.file: result for result in read_results(tmp_path)} == {
        result.file: result for result in results
    }
