"""`lockstep convert`: a shop's own files become events, as a mapping in YAML says.

form          what a mapping file may say, and its JSON Schema
mapping       mapping files and the ready ones, loaded with every fault and its place
cells         the text of a cell as a number, a time, a flag, a day or a text of the contract
file_columns  where the columns of a file are found in its rows
field_values  what a mapping says of a field, compiled for the columns of one file
event_makers  one mapping's events, compiled: rows in, events as JSON out
pseudonyms    the key of the hashes that stand for people
groups        the rows that make one event, together or apart
tables        CSV, TSV and semicolon files: the header, wherever it stands, and rows with their lines
workbooks     the rows of a sheet of an Excel workbook
objects       the rows of JSON: one object a line, or an array
recognition   which mapping a file is for, by its columns
conversion    files through mappings: events out, refused rows grouped by fault
ready/        the mappings that come with Lockstep
"""
