-- Names are of a-z, 0-9 and hyphens, and lists are in their order: byte by byte, whatever the database's own language. What
-- begins with a text is then a range of the index of names, which serves lists in that order, too.

ALTER TABLE resource ALTER COLUMN name TYPE text COLLATE "C";
