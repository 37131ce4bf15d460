"""What is fitted beside a student, and how it is measured."""
