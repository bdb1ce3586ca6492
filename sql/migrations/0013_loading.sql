-- programs: >=0.1
-- Written below in this order.
SELECT 1;
