"""Everything with weights: recogniser, teacher, student and their parts."""
