"""The students' edition of the course: notebooks with stubs, checked for leaks."""
