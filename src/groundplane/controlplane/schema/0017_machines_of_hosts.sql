-- Operators page through the machines of a host: the index of placements has their order, too.

CREATE INDEX placement_of_host_in_order ON placement (host_id, resource_id);
DROP INDEX placement_of_host;
ALTER INDEX placement_of_host_in_order RENAME TO placement_of_host;
